//! Calls that the server gives as such, made such that a client can run them; as in
//! [`crate::normaliser::Native`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::normaliser::{Alias, CallMender, Manner, Tools};

#[derive(Debug)]
pub(super) struct Mending {
    tools: Arc<Tools>,
    aliases: Arc<[Alias]>,
    /// Nothing of a call is told before all of it is there.
    is_whole: bool,
    open: BTreeMap<usize, Open>,
    repaired: u32,
}

#[derive(Debug, Default)]
struct Open {
    mender: CallMender,
    has_begun: bool,
}

impl Mending {
    pub(super) fn new(manner: &Manner, is_whole: bool) -> Option<Self> {
        Some(Self {
            tools: Arc::clone(manner.native.as_ref()?),
            aliases: Arc::clone(&manner.rules.aliases),
            is_whole,
            open: BTreeMap::new(),
            repaired: 0,
        })
    }

    /// Calls whose name or arguments were changed, among those that are complete.
    pub(super) fn repaired(&self) -> u32 {
        self.repaired
    }

    /// A call begins; the name of its tool, where that is another one.
    pub(super) fn begin(&mut self, index: usize, name: &str) -> Option<String> {
        let mut open = Open::default();
        let name = open.mender.name(name, &self.tools);
        self.open.insert(index, open);
        name
    }

    /// Takes a piece of arguments: what of them can be told. `None` where nothing is mended.
    pub(super) fn push(&mut self, index: usize, text: &str) -> Option<String> {
        let open = self.open.get_mut(&index)?;
        if self.is_whole {
            return Some(String::new());
        }
        open.has_begun = true;
        open.mender.push(text);
        Some(open.mender.ready())
    }

    /// The call is complete, or not with `is_done` false: all of its arguments are `all`. What
    /// of them can be told now. `None` where nothing is mended.
    pub(super) fn close(&mut self, index: usize, is_done: bool, all: &str) -> Option<String> {
        let mut open = self.open.remove(&index)?;
        if !open.has_begun {
            open.mender.push(all);
        }
        open.mender.close(is_done, &self.tools, &self.aliases);
        self.repaired += u32::from(open.mender.is_repaired());
        Some(open.mender.ready())
    }

    /// The numbers of calls that are not complete.
    pub(super) fn open(&self) -> Vec<usize> {
        self.open.keys().copied().collect()
    }
}

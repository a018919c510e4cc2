//! A password typed at the terminal, unseen, or piped in.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use store::Secret;

/// Reads one line; at a terminal it asks first and does not show what is typed.
///
/// # Errors
/// When standard input ends before a line, or cannot be read.
pub(crate) fn read() -> io::Result<Secret> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line(&mut input.lock());
    }
    let mut screen = io::stderr();
    write!(screen, "New password: ")?;
    screen.flush()?;
    let usual = tcgetattr(&input)?;
    let mut unseen = usual.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &unseen)?;
    let typed = line(&mut input.lock());
    tcsetattr(&input, OptionalActions::Flush, &usual)?;
    writeln!(screen)?;
    typed
}

fn line(input: &mut impl io::BufRead) -> io::Result<Secret> {
    let mut typed = String::new();
    if input.read_line(&mut typed)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Secret::new(typed.trim_end_matches(['\r', '\n'])))
}

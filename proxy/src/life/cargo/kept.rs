//! Bytes that are kept for the length of a call: the first in memory, the others in a file
//! without a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::MEMORY;

/// What is kept of one body.
pub(super) struct Kept {
    memory: BytesMut,
    file: Option<Arc<File>>,
    folder: PathBuf,
    length: u64,
}

impl Kept {
    /// Nothing yet; a file would lie in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            memory: BytesMut::new(),
            file: None,
            folder: folder.to_owned(),
            length: 0,
        }
    }

    /// Bytes in all.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether more would go into a file.
    pub(super) fn is_full(&self) -> bool {
        self.memory.len() >= MEMORY
    }

    /// Keeps one more piece.
    ///
    /// # Errors
    /// When a file is needed and cannot be made or written.
    pub(super) async fn add(&mut self, piece: Bytes) -> io::Result<()> {
        let length = piece.len() as u64;
        if self.is_full() {
            let at = self.length - self.memory.len() as u64;
            let file = self.file.clone();
            let folder = self.folder.clone();
            let written = blocking(move || {
                let file = match file {
                    Some(file) => file,
                    None => Arc::new(tempfile::tempfile_in(folder)?),
                };
                file.write_all_at(&piece, at)?;
                Ok(file)
            });
            self.file = Some(written.await?);
        } else {
            self.memory.extend_from_slice(&piece);
        }
        self.length += length;
        Ok(())
    }

    /// At least one and at most `most` of the bytes from `at` on; `at` is before the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) async fn piece(&self, at: u64, most: usize) -> io::Result<Bytes> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(rest) = self.memory.get(start..).filter(|rest| !rest.is_empty()) {
            return Ok(Bytes::copy_from_slice(&rest[..rest.len().min(most)]));
        }
        let file = self.file.clone();
        let file = file.ok_or(io::ErrorKind::UnexpectedEof)?;
        let at = at - self.memory.len() as u64;
        blocking(move || {
            let mut piece = BytesMut::zeroed(most);
            let read = file.read_at(&mut piece, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            piece.truncate(read);
            Ok(piece.freeze())
        })
        .await
    }
}

/// Work on a file, beside the requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use bytes::Bytes;

    use super::{Kept, MEMORY};

    #[tokio::test]
    async fn what_is_kept_comes_back_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::new(folder.path());
        let bytes: Vec<u8> = (0..3 * MEMORY + 17).map(|n| (n % 251) as u8).collect();
        for piece in bytes.chunks(70_001) {
            kept.add(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert!(kept.file.is_some() && kept.memory.len() < MEMORY + 70_001);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut back = Vec::new();
        while (back.len() as u64) < kept.length() {
            let piece = kept.piece(back.len() as u64, 33_333).await.unwrap();
            back.extend_from_slice(&piece);
        }
        assert!(back == bytes);
        assert!(kept.piece(kept.length(), 1).await.is_err());
    }
}

//! The laws of usage records on disk, whatever a crash or a full disk has made of them.

use std::fs;

use store::Spool;

use crate::draw::Draw;
use crate::ground::ground;

/// Lines as they came, and each of them as one that is whole.
pub fn check(data: &[u8]) {
    let folder = ground().folder.join("spool");
    fs::create_dir_all(&folder).expect("a folder");
    let mut file = data.to_vec();
    file.push(b'\n');
    let mut whole = 0;
    let mut draw = Draw::of(data);
    for json in data.split(|byte| *byte == b'\n').take(64) {
        let sum = crc32fast::hash(json);
        file.extend_from_slice(format!("\u{1e}{sum:08x}").as_bytes());
        file.extend_from_slice(json);
        file.push(b'\n');
        whole += u64::from(!json.contains(&0x1e));
    }
    // The last line may be torn.
    let cut = if draw.once_in(2) {
        draw.below(file.len())
    } else {
        file.len()
    };
    let is_cut = cut < file.len();
    fs::write(folder.join("left.spool"), &file[..cut]).expect("a file");

    let (_spool, mut reader) = Spool::open(&folder, 1 << 30).expect("a spool");
    assert_eq!(reader.adopt().expect("a folder"), 1);
    let mut taken = 0;
    loop {
        let done = reader
            .drain(&ground().store)
            .expect("a store that takes them");
        taken += done.records + done.refused;
        if !done.more {
            break;
        }
    }
    assert!(is_cut || taken >= whole, "{taken} of {whole}");
    reader
        .finish(&ground().store)
        .expect("a store that takes them");
    fs::remove_dir_all(&folder).expect("a folder");
}

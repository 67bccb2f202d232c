//! Files that are whole whatever happens.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The extension of a file that is being written.
pub(super) const UNFINISHED: &str = "unfinished";

/// How many damaged files of an account are told apart; the last is overwritten after that.
const MOST_SET_ASIDE: u32 = 99;

/// What was done of [`replace`]; a test ends it at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What an earlier attempt left is gone.
    Cleared,
    /// The temporary file is there, empty.
    Created,
    /// It has its bytes, as far as this process can tell.
    Written,
    /// Its bytes are on the disk.
    Synced,
    /// It has the file's name.
    Renamed,
    /// The name is on the disk.
    Done,
}

/// Makes the directory for its owner alone, where it is missing.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a file in one step that cannot be seen half done; `after` is told of each part of it.
pub(super) fn replace(
    directory: &Path,
    name: &str,
    bytes: &[u8],
    after: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<()> {
    let path = directory.join(name);
    let unfinished = directory.join(format!("{name}.{UNFINISHED}"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => after(Step::Cleared)?,
    }
    // A new file, so that no link of a stranger is followed and the mode is ours.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    after(Step::Created)?;
    file.write_all(bytes)?;
    after(Step::Written)?;
    // Before the rename: else a power cut could leave the new name with none of the bytes.
    file.sync_all()?;
    after(Step::Synced)?;
    fs::rename(&unfinished, &path)?;
    after(Step::Renamed)?;
    File::open(directory)?.sync_all()?;
    after(Step::Done)
}

/// A file's bytes, if it is a plain file of at most `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    if about.len() > most {
        return Err(io::Error::other(format!("it has {} bytes", about.len())));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Gives a file a name under which nobody looks for it, and returns that.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        PathBuf::from(name)
    };
    let free = (1..MOST_SET_ASIDE).map(named).find(|name| fs::symlink_metadata(name).is_err());
    let aside = free.unwrap_or_else(|| named(MOST_SET_ASIDE));
    fs::rename(path, &aside)?;
    Ok(aside)
}

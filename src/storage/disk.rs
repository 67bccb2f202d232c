//! Files that are whole whatever happens.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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

/// Tries whether files can be made in a directory, or it itself where it is missing, and leaves all as it was.
pub(super) fn probe(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(about) if !about.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
        Ok(_) => {
            let file = path.join(format!("probe-{}.{UNFINISHED}", std::process::id()));
            drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?);
            return fs::remove_file(&file);
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let is_missing = |ancestor: &&Path| !ancestor.as_os_str().is_empty() && !ancestor.exists();
    let missing = path.ancestors().take_while(is_missing);
    let first = missing.last().unwrap_or(path);
    DirBuilder::new().mode(0o700).create(first)?;
    fs::remove_dir(first)
}

/// The directory, or the nearest one above it, that others than its owner may replace things in.
pub(super) fn open_to_all(path: &Path) -> Option<PathBuf> {
    const ALL_MAY_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let mode = |directory: &Path| fs::metadata(directory).map_or(0, |about| about.permissions().mode());
    let own = fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_default();
    // In a directory such as /tmp only owners rename and remove, but anybody can be first to make a file.
    let itself = (mode(path) & ALL_MAY_WRITE != 0).then(|| path.to_owned());
    let open = |above: &&Path| mode(above) & (ALL_MAY_WRITE | STICKY) == ALL_MAY_WRITE;
    itself.or_else(|| own.ancestors().skip(1).find(open).map(Path::to_owned))
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

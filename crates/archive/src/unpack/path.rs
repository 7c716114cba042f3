//! Paths of members: foreign text to a path that stays inside.

/// A normal path below the layer's root: no empty, `.` or `..` components, no slash at the ends.
/// Empty is the root itself.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Inside(Vec<u8>);

/// The kernel's `NAME_MAX`.
const NAME_BYTES_MAX: usize = 255;

/// Directories in directories; real images stay below 60.
const DEPTH_MAX: usize = 512;

impl Inside {
    /// Takes a member's path as archives have it. A leading `/` is dropped, as all unpackers do.
    pub fn new(path: &[u8]) -> Result<Inside, &'static str> {
        let mut normal = Vec::with_capacity(path.len());
        let mut depth = 0;
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err("its path climbs with `..`"),
                name if name.len() > NAME_BYTES_MAX => {
                    return Err("its path has a component of more than 255 bytes");
                }
                name if name.contains(&0) => return Err("its path has a NUL"),
                name => {
                    if !normal.is_empty() {
                        normal.push(b'/');
                    }
                    normal.extend_from_slice(name);
                }
            }
            depth += 1;
            if depth > DEPTH_MAX {
                return Err("its path is more than 512 directories deep");
            }
        }
        Ok(Inside(normal))
    }

    /// Whether this is the layer's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, `/` between components.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory that holds it, and its name there. Of the root: the root and an empty name.
    pub fn split(&self) -> (Inside, &[u8]) {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (
                Inside(self.0.get(..at).unwrap_or_default().to_vec()),
                self.0.get(at + 1..).unwrap_or_default(),
            ),
            None => (Inside::default(), &self.0),
        }
    }

    /// The components from the root on.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The path of `name` in this directory.
    pub fn join(&self, name: &[u8]) -> Inside {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Inside(path)
    }
}

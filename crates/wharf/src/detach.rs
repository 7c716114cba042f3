//! The keys that leave an attached container running: `ctrl-p,ctrl-q`.

/// Watches a stream of typed bytes for the keys.
#[derive(Debug)]
pub struct DetachWatch {
    keys: Vec<u8>,
    seen: usize,
}

impl DetachWatch {
    /// Nothing typed yet. `keys` are the bytes that the terminal sends for them.
    pub fn new(keys: Vec<u8>) -> DetachWatch {
        DetachWatch { keys, seen: 0 }
    }

    /// Takes typed bytes: appends to `out` what the container gets; `true` when all keys were
    /// typed. Keys typed in part are held back until it is clear that they are not meant.
    pub fn feed(&mut self, typed: &[u8], out: &mut Vec<u8>) -> bool {
        for byte in typed {
            if self.keys.get(self.seen) == Some(byte) {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return true;
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.seen]);
            self.seen = 0;
            if self.keys.first() == Some(byte) && self.keys.len() > 1 {
                self.seen = 1;
            } else {
                out.push(*byte);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;

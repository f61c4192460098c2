//! Random bytes from the operating system.

/// Fills an array with random bytes.
///
/// The kernel's generator cannot fail once the system has booted; should it, the time since boot
/// keeps ids distinct within the process rather than panicking on the request path.
#[expect(clippy::disallowed_methods, reason = "this is where randomness enters")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        for (slot, byte) in bytes.iter_mut().zip(now.to_le_bytes()) {
            *slot = byte;
        }
    }
    bytes
}

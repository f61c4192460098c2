//! Bodies of responses, as far as the bound.

use reqwest::Response;

use super::Error;

/// The whole body, or that it is too large.
pub(crate) async fn whole(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Error::broken)? {
        if bytes.len().saturating_add(chunk.len()) > bytes_max {
            return Err(Error::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

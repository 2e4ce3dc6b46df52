//! `/v1/events`.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::api::events::CloudEvent;
use crate::api::pki::Page;

use super::answer::Answer;
use super::error::{ClientError, Mismatch};
use super::target::Target;
use super::transport::Client;

/// The longest line of the stream: an event is far shorter.
const LONGEST_LINE: usize = 1 << 20;

/// The events that happen from now on, until the appliance ends the stream.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    body: Incoming,
    /// What has come and is no whole line yet.
    rest: Vec<u8>,
}

impl Client {
    /// `GET /v1/events`.
    pub async fn events(
        &self,
        kind: Option<&str>,
        after: Option<u64>,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Answer<Page<CloudEvent>>, ClientError> {
        let (after, limit) = (after.map(|id| id.to_string()), limit.map(|n| n.to_string()));
        let target = Target::new("/v1/events").query("type", kind).query("after", after.as_deref());
        self.get(target.query("limit", limit.as_deref()).query("cursor", cursor)).await
    }

    /// `GET /v1/events/stream`.
    pub async fn follow_events(&self, kind: Option<&str>, after: Option<u64>) -> Result<EventStream, ClientError> {
        let after = after.map(|id| id.to_string());
        let target = Target::new("/v1/events/stream").query("type", kind).query("after", after.as_deref());
        let body = self.open(&target, "text/event-stream").await?;
        Ok(EventStream { client: self.clone(), body, rest: Vec::new() })
    }
}

impl EventStream {
    /// Waits for the next event; none when the appliance has ended the stream.
    pub async fn next(&mut self) -> Result<Option<CloudEvent>, ClientError> {
        loop {
            while let Some(line) = self.line() {
                // The other fields of an event repeat what is in its data, and a line with a colon alone keeps the connection alive.
                if let Some(data) = line.strip_prefix(b"data: ") {
                    let event = serde_json::from_slice(data).map_err(|_| self.not_understood())?;
                    return Ok(Some(event));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(ClientError::Interrupted { url: self.client.url(), source: error.into() }),
                Some(Ok(frame)) => {
                    let data: Bytes = frame.into_data().unwrap_or_default();
                    if self.rest.len() + data.len() > LONGEST_LINE {
                        return Err(self.not_understood());
                    }
                    self.rest.extend_from_slice(&data);
                }
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.rest.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    fn not_understood(&self) -> ClientError {
        self.client.mismatch(hyper::StatusCode::OK, Mismatch::Text)
    }
}

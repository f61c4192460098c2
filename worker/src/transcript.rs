//! What was said in a conversation, bounded, for bots that want to read it.
//!
//! The owner of a session keeps it between turns, keyed by log sequence, because a cold read of a
//! conversation costs tens of milliseconds whatever the method.

use std::collections::VecDeque;

use backbone::journal::Entry;
use proto::id::SessionKey;
use proto::limit::{TRANSCRIPT_BYTES_MAX, TRANSCRIPT_MESSAGES_MAX};
use proto::message::{self, Message};
use proto::record::Conversation;

/// The newest messages of one conversation up to a log sequence.
#[derive(Debug)]
pub struct Transcript {
    conversation: Conversation,
    upto: u64,
    bytes: usize,
    messages: VecDeque<Message>,
}

impl Transcript {
    /// Nothing yet of a conversation.
    pub fn new(conversation: Conversation) -> Self {
        Self { conversation, upto: conversation.base, bytes: 0, messages: VecDeque::new() }
    }

    /// Whether this is of that conversation.
    pub fn is_of(&self, conversation: &Conversation) -> bool {
        self.conversation.opening == conversation.opening
    }

    /// The log sequence that has been read.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// Takes in the next record, dropping the oldest messages past the bounds.
    pub fn push(&mut self, session: &SessionKey, entry: &Entry) {
        if entry.seq <= self.upto {
            return;
        }
        self.upto = entry.seq;
        if entry.record.conversation.opening != self.conversation.opening {
            return;
        }
        for message in message::of(session, entry.seq, entry.at_ms, &entry.record) {
            self.bytes += size(&message);
            self.messages.push_back(message);
        }
        while self.messages.len() > TRANSCRIPT_MESSAGES_MAX || self.bytes > TRANSCRIPT_BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= size(&oldest);
        }
    }

    /// The messages, oldest first.
    pub fn messages(&mut self) -> &[Message] {
        self.messages.make_contiguous()
    }
}

fn size(message: &Message) -> usize {
    message.text.len() + message.meta.to_string().len()
}

//! What the lists of the platform hold.

/// Actions: what each is called, what it does, and an instruction that does it.
pub(super) const ACTIONS: [(&str, &str, &str); 8] = [
    ("fetch", "Makes one HTTP call.", "```fetch\nGET https://api.example.com/orders/$[id! euc|the order number]\n```"),
    ("search", "Searches the web.", "```search\nquery: $[query!|what to look for]\n```"),
    ("email", "Sends a mail.", "```email\nto: $[to!|the address]\nsubject: $[subject!|the subject]\ncontent: $[content!|the text]\n```"),
    ("echo", "Gives its input back.", "```echo\n$[text!|what to say]\n```"),
    ("abort", "Ends the turn.", "```abort\n$[reason!|why it cannot go on]\n```"),
    ("mcp", "Offers the tools of another program.", "```mcp\nurl: https://mcp.example.com/\n```"),
    ("nats", "Sends a message to other services.", "```nats\nsubject: orders.created\npayload: $[message!|the message]\n```"),
    ("await", "Asks somebody outside, and waits.", "```await\n$[question!|what to ask]\n```"),
];

/// Abilities to begin with: id, name, description, instruction.
pub(super) const ABILITIES: [(&str, &str, &str, &str); 5] = [
    (
        "fetch/request",
        "Fetch a page",
        "Fetches a page of the web and returns its text.",
        "```fetch/format=markdown\nGET $[url!|the address of the page]\n```",
    ),
    ("search/web", "Search the web", "Searches the web and returns what was found.", "```search\nquery: $[query!|what to look for]\n```"),
    (
        "email/send",
        "Send a mail",
        "Sends a mail to somebody.",
        "```email\nto: $[to!|the address]\nsubject: $[subject!|the subject]\ncontent: $[content!|the text, as markdown]\n```",
    ),
    ("echo/text", "Echo", "Gives back what it is given; good for tests.", "```echo\n$[text!|what to say]\n```"),
    ("await/question", "Ask a person", "Asks a person a question and waits for the answer.", "```await\n$[question!|what to ask]\n```"),
];

/// Kinds of secrets, and how each is presented.
pub(super) const SECRETS: [(&str, &str); 5] = [
    ("plain", "The value as it is."),
    ("basic", "A user and a password, `user:password`, as HTTP's basic scheme has it."),
    ("bearer", "A token behind the word Bearer."),
    ("jwt", "A signed token."),
    ("oauth", "An access token."),
];

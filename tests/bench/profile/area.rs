//! Which part of the whole a symbol belongs to.

/// Our crates, whose modules are told apart.
const OURS: &[&str] = &["gateway", "worker", "proto", "backbone", "skillset", "model", "action", "index", "telemetry", "outbox", "egress"];

/// Crates and the areas that they are.
const AREAS: &[(&str, &[&str])] = &[
    ("NATS client", &["async_nats", "nuid", "nkeys"]),
    ("Redis client", &["redis", "combine"]),
    (
        "HTTP",
        &[
            "hyper",
            "hyper_util",
            "http",
            "http_body",
            "http_body_util",
            "httparse",
            "axum",
            "axum_core",
            "tower",
            "tower_service",
            "matchit",
            "headers",
            "httpdate",
            "percent_encoding",
        ],
    ),
    ("tokio", &["tokio", "tokio_util", "mio", "futures_util", "futures_core", "parking_lot", "parking_lot_core", "futures_channel"]),
    ("protobuf and JSON", &["prost", "serde", "serde_json", "serde_core", "itoa", "ryu", "base64", "serde_path_to_error"]),
    ("bot: rules and templates", &["regex", "regex_automata", "regex_syntax", "minijinja", "aho_corasick"]),
    (
        "tracing and clock",
        &["tracing", "tracing_core", "tracing_subscriber", "tracing_opentelemetry", "opentelemetry", "opentelemetry_sdk", "jiff"],
    ),
    ("digests and seals", &["sha2", "hmac", "subtle", "digest", "aws_lc_rs", "block_buffer"]),
    ("bytes, maps and other small crates", &["bytes", "hashbrown", "smallvec", "memchr", "indexmap", "slab", "fnv", "ahash"]),
];

/// How words begin that the kernel's network is named with.
const NETWORK: &[&str] = &["tcp", "sock", "skb", "inet", "net", "conntrack", "loopback", "napi", "bbr", "xfrm", "softirq"];
/// Such words that are whole: within others they mean something else.
const NETWORK_WORDS: &[&str] = &["ip", "nf", "dev", "sk", "dst"];

/// The area of a symbol.
pub(crate) fn of(library: &str, symbol: &str) -> String {
    if library.starts_with("[kernel") || library.starts_with("[guest") {
        let is_of_it = |word: &str| NETWORK_WORDS.contains(&word) || NETWORK.iter().any(|part| word.starts_with(part));
        return if symbol.split(['_', '.']).any(is_of_it) { "kernel: network" } else { "kernel: scheduling, calls and memory" }.to_owned();
    }
    if library == "[vdso]" || symbol.contains("clock_gettime") {
        return "tracing and clock".to_owned();
    }
    if symbol.starts_with("mi_") || symbol.starts_with("_mi_") || symbol.contains("mi_theap") || symbol == "malloc" || symbol == "free" {
        return "allocator".to_owned();
    }
    if symbol.contains("memmove") || symbol.contains("memcpy") || symbol.contains("memset") {
        return "copying (memmove)".to_owned();
    }
    if library.starts_with("libc") {
        return "libc: calls and comparing".to_owned();
    }
    let names = crates(symbol);
    // A poll of a future of ours by a wrapper of another crate is that wrapper's time: the first name is who it is.
    for name in &names {
        if OURS.contains(&name.as_str()) {
            return format!("ours: {}", module(symbol, name));
        }
        if let Some((area, _)) = AREAS.iter().find(|(_, crates)| crates.contains(&name.as_str())) {
            return (*area).to_owned();
        }
    }
    "Rust's own library, and what has no name".to_owned()
}

/// The crates that a symbol names, in order.
fn crates(symbol: &str) -> Vec<String> {
    let parts = symbol.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
    let first = parts.filter_map(|path| path.split_once("::").map(|(name, _)| name.to_owned()));
    first.filter(|name| !name.is_empty()).collect()
}

/// A crate and the module below it.
fn module(symbol: &str, name: &str) -> String {
    let path = symbol.split(&format!("{name}::")).nth(1).unwrap_or_default();
    let below = path.split("::").next().unwrap_or_default();
    let is_module = below.starts_with(|letter: char| letter.is_lowercase()) && path.contains("::");
    if is_module { format!("{name}::{below}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_symbol_belongs_to_who_is_named_first() {
        for (library, symbol, expected) in [
            ("[kernel.kallsyms]", "tcp_ack", "kernel: network"),
            ("[kernel.kallsyms]", "finish_task_switch.isra.0", "kernel: scheduling, calls and memory"),
            ("gateway", "_mi_page_malloc_zero", "allocator"),
            ("libc.so.6", "__memmove_avx512_unaligned_erms", "copying (memmove)"),
            ("gateway", "gateway::event::accept::{{closure}}", "ours: gateway::event"),
            ("worker", "worker::drain::turn::<impl worker::drain::Drain>::turn::{{closure}}", "ours: worker::drain"),
            ("worker", "<worker::adapter::nats::Nats as worker::port::Broker>::next::{{closure}}", "ours: worker::adapter"),
            ("worker", "async_nats::header::HeaderMap::get", "NATS client"),
            ("worker", "<tokio::time::timeout::Timeout<T> as core::future::future::Future>::poll", "tokio"),
            ("worker", "core::ptr::drop_in_place<proto::wire::Input>", "ours: proto::wire"),
            ("worker", "alloc::fmt::format::format_inner", "Rust's own library, and what has no name"),
        ] {
            assert_eq!(of(library, symbol), expected, "{symbol}");
        }
    }
}

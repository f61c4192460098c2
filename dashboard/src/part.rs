//! What pages are made of.

pub(crate) mod badge;
pub(crate) mod chart;
pub(crate) mod code;
pub(crate) mod deed;
pub(crate) mod empty;
pub(crate) mod facts;
pub(crate) mod field;
pub(crate) mod filter;
pub(crate) mod number;
pub(crate) mod pager;
pub(crate) mod table;
pub(crate) mod tabs;

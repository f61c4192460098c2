//! The pool against servers: fakes that do as a test tells them, and real ones that nobody here wrote.

#[cfg(test)]
mod answer;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod program;
#[cfg(test)]
mod real;

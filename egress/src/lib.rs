//! Where outgoing calls may go, and the connections that keep to it.

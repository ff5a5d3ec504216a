//! Wires the real handler, server and workers in one process.

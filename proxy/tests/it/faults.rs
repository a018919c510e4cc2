//! Faults that need a machine: networks that lose and are cut, ten thousand connections,
//! limits of memory and descriptors. Run by `make test-faults`, as root.

mod elsewhere;
mod network;
mod numbers;
mod room;

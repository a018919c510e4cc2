//! RunPod jobs: what goes into one and what comes out of it.

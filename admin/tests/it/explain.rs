//! What the gateway would do with a request, as the admin app tells it.

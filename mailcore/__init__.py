"""The mail domain: addresses, routing, policy, queue, relay, delivery, stores, index. Without Django."""

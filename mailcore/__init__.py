"""The mail domain: addresses, routing, policy, queue, relay, delivery, stores, index. Knows neither Django nor a program."""

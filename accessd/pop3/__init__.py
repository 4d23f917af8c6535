"""POP3: RFC 1939 with the extensions of RFC 2449, 2595, 3206, 5034, 6856."""

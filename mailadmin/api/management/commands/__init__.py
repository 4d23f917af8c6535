"""create_api_token and set_password."""

"""The Deployment that takes blocks in, keeps them until delivered, and forwards them."""

"""The drawings of the avatars."""

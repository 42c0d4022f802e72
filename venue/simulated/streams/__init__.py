"""Events published to whoever has subscribed."""

"""What every way in shares: who comes in, strict JSON, and answers that go on."""

"""What every service stands on: bootstrap, interceptor stages, health, telemetry and errors."""

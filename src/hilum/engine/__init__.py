"""What drives data downhill: intake, settle, plan, dispatch, record. Knows interfaces only, no adapter."""

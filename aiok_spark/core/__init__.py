"""What every stage stands on: bases, execution, Params, persistence, schema, errors."""

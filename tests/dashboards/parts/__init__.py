"""The parts that the dashboards are put together from."""

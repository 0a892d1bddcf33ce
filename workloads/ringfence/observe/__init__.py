"""What people see of a job: progress while it runs, the report and the model card afterwards."""

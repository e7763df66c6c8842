"""What people read: tables and figures of an evaluation."""

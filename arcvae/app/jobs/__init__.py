"""What the commands do, without their command lines: each job takes a checked config of plain types and a folder."""

"""What mails and reviews claim of a kernel, judged by written rules (docs/claims.md); a file per kernel."""

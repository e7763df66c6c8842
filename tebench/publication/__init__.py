"""The leaderboard: rows, boards, page, submissions, versions, citation, recommendation."""

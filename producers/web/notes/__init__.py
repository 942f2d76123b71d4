"""What the town hall knows and no export says: meetings, polls, motifs, doubts, bureaux, protected electors."""

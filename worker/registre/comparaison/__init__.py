"""The comparison of two exports of the REU, which gives mouvements."""

"""What an update changes: rules, entries, demotions, and what this SVM's recent traffic has to do with it."""

"""What a course's platform gives and wants back: Moodle, Canvas, or a plain folder."""

"""Can the model's confidence be believed, and made believable?"""

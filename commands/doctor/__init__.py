"""`doctor`: is everything ready for real money?"""

"""Files under cuts: do uploads go on, and does memory stay flat?"""

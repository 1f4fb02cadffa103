"""The page inside a CloudWatch dashboard: HTML without scripts, from reading only.

asked    what a call asks for            markup    text that cannot become markup
look     what is read for it             frame     the style, the buttons, what is around every page
pages    how each page looks             words     what an entry of the trail says

CloudWatch's rules for custom widgets: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
"""

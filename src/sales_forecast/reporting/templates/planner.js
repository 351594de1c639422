{% include "tables.js" %}

{% include "charts.js" %}

drawCharts();
markTables();

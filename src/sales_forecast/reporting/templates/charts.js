const drawCharts = () => document.querySelectorAll("script[data-chart]").forEach((block) => {
  const { data, layout } = JSON.parse(block.textContent);
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  Plotly.newPlot(block.dataset.chart, data, layout, config);
});

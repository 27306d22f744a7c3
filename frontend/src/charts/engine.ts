/** The parts of echarts that the pages need: a chunk of its own, fetched with the first chart. */
import { BarChart, HeatmapChart, LineChart } from 'echarts/charts'
import { AriaComponent, AxisPointerComponent, GridComponent, LegendComponent, TooltipComponent, VisualMapComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

use([
  AriaComponent,
  AxisPointerComponent,
  BarChart,
  CanvasRenderer,
  GridComponent,
  HeatmapChart,
  LegendComponent,
  LineChart,
  TooltipComponent,
  VisualMapComponent,
])

export { init }

/** What each chart shows, as echarts options. Tooltips are drawn on the canvas: the page's policy allows no inline styles. */
import type { BarSeriesOption, HeatmapSeriesOption, LineSeriesOption } from 'echarts/charts'
import type { AriaComponentOption, AxisPointerComponentOption, GridComponentOption, LegendComponentOption, TooltipComponentOption, VisualMapComponentOption } from 'echarts/components'
import type { ComposeOption } from 'echarts/core'
import type { Colours } from './colours'

export type Option = ComposeOption<
  | AriaComponentOption
  | AxisPointerComponentOption
  | BarSeriesOption
  | GridComponentOption
  | HeatmapSeriesOption
  | LegendComponentOption
  | LineSeriesOption
  | TooltipComponentOption
  | VisualMapComponentOption
>

interface Point {
  round: number
  value: number | null
}

export interface Series {
  name: string
  points: Point[]
  format: (value: number) => string
  /** The same for the axis, where fewer places do. */
  axis?: (value: number) => string
  /** What a tooltip says of a round's value, where that is more than the axis can. */
  tell?: (round: number) => string
  kind?: 'line' | 'bar'
  /** Limits of the axis; by default those of the data. */
  range?: [number, number]
}

/**
 * One or two series by round, each with an axis of its own: over each other where they belong together, or one below the
 * other where only the rounds are common.
 */
export function byRound(series: Series[], colours: Colours, stacked = false): Option {
  const rounds = [...new Set(series.flatMap((each) => each.points.map((point) => point.round)))].sort((a, b) => a - b)
  const places = stacked ? series.map((_, index) => index) : [0]
  const palette = [colours.series1, colours.series2]
  return {
    ...base(colours, `${series.map((each) => each.name).join(' and ')} by round`),
    grid: places.map((place) => ({
      ...(stacked
        ? { left: 52, right: 16, bottom: place === places.length - 1 ? 24 : '46%', outerBoundsMode: 'none' as const }
        : { left: 12, right: 12, bottom: 8, outerBoundsMode: 'same' as const, outerBoundsContain: 'axisLabel' as const }),
      top: place === 0 ? 36 : '64%',
    })),
    legend: {
      top: 0,
      left: 8,
      itemWidth: 14,
      itemHeight: 8,
      icon: 'roundRect',
      textStyle: { color: colours.muted, fontSize: 12 },
    },
    tooltip: {
      ...tooltip(colours),
      trigger: 'axis',
      formatter: (found) => {
        const rows = Array.isArray(found) ? found : [found]
        const round = Number(rows[0]?.name)
        const lines = series.map((each) => {
          const value = each.points.find((point) => point.round === round)?.value
          return `${each.name}  ${value === null || value === undefined ? '–' : (each.tell?.(round) ?? each.format(value))}`
        })
        return [`Round ${round}`, ...lines].join('\n')
      },
    },
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    xAxis: places.map((place) => ({
      type: 'category' as const,
      gridIndex: place,
      data: rounds.map(String),
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
      axisLabel: { show: place === places.length - 1, color: colours.muted, hideOverlap: true },
    })),
    yAxis: series.map((each, index) => ({
      type: 'value' as const,
      gridIndex: stacked ? index : 0,
      position: stacked || index === 0 ? ('left' as const) : ('right' as const),
      scale: each.kind !== 'bar',
      splitNumber: stacked ? 3 : 5,
      ...(each.range ? { min: each.range[0], max: each.range[1] } : {}),
      splitLine: stacked || index === 0 ? { lineStyle: { color: colours.line } } : { show: false },
      axisLabel: { color: colours.muted, formatter: each.axis ?? each.format },
    })),
    series: series.map((each, index) => {
      const values = new Map(each.points.map((point) => [point.round, point.value]))
      const shared = {
        name: each.name,
        xAxisIndex: stacked ? index : 0,
        yAxisIndex: index,
        data: rounds.map((round) => values.get(round) ?? null),
        color: palette[index % 2] ?? colours.series1,
      }
      return each.kind === 'bar'
        ? { ...shared, type: 'bar' as const, barMaxWidth: 18, barCategoryGap: '25%', itemStyle: { borderRadius: [1.5, 1.5, 0, 0] } }
        : {
            ...shared,
            type: 'line' as const,
            symbol: 'circle',
            symbolSize: 5,
            showSymbol: rounds.length < 40,
            lineStyle: { width: 2, type: index === 0 ? ('solid' as const) : ('dashed' as const) },
          }
    }),
  }
}

export interface Grid {
  name: string
  columns: string[]
  rows: string[]
  /** By row, then column; null: nothing there. */
  values: (number | null)[][]
  limits: [number, number]
  /** What to say of a cell. */
  tell: (row: number, column: number, value: number) => string
  /** Numbers within the cells, where there is room. */
  label?: (value: number) => string
}

/** A heat map; below zero in the warm colour. */
export function heatMap(grid: Grid, colours: Colours): Option {
  const cells = grid.values.flatMap((row, y) => row.map((value, x) => [x, y, value ?? '-'] as [number, number, number | '-']))
  const { label } = grid
  const high = grid.limits[0] < 0 ? Math.max(-grid.limits[0], grid.limits[1]) : grid.limits[1]
  const low = grid.limits[0] < 0 ? -high : grid.limits[0]
  const ramp = low < 0 ? [colours.heatNegative, colours.heatLow, colours.heatHigh] : [colours.heatLow, colours.heatHigh]
  return {
    ...base(colours, grid.name),
    grid: { left: 8, right: 8, top: 4, bottom: 48, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      ...tooltip(colours),
      formatter: (cell) => {
        const [x, y, value] = (Array.isArray(cell) ? cell[0] : cell)?.value as [number, number, number | '-']
        return typeof value === 'number' ? grid.tell(y, x, value) : 'Nothing there'
      },
    },
    visualMap: {
      type: 'continuous',
      min: low,
      max: high,
      calculable: false,
      orient: 'horizontal',
      left: 'center',
      bottom: 0,
      itemWidth: 10,
      itemHeight: 140,
      text: grid.label ? [grid.label(high), grid.label(low)] : undefined,
      textStyle: { color: colours.muted, fontSize: 11 },
      inRange: { color: ramp },
      formatter: (value) => label?.(Number(value)) ?? String(value),
    },
    xAxis: {
      type: 'category',
      data: grid.columns,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: colours.muted, fontSize: 11, hideOverlap: true, rotate: (grid.columns[0]?.length ?? 0) > 5 ? 45 : 0 },
    },
    yAxis: {
      type: 'category',
      data: grid.rows,
      inverse: true,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: colours.muted, fontSize: 11, fontFamily: 'monospace' },
    },
    series: [
      {
        type: 'heatmap',
        data: cells,
        itemStyle: { borderWidth: grid.columns.length > 60 ? 0 : 1, borderColor: colours.surface, borderRadius: grid.columns.length > 60 ? 0 : 2 },
        emphasis: { itemStyle: { borderColor: colours.text, borderWidth: 1 } },
      },
    ],
  }
}

function base(colours: Colours, description: string): Option {
  return {
    animation: false,
    aria: { enabled: true, label: { description } },
    backgroundColor: 'transparent',
    textStyle: { fontFamily: colours.font, fontSize: 12, color: colours.text },
  }
}

function tooltip(colours: Colours): TooltipComponentOption {
  return {
    renderMode: 'richText',
    confine: true,
    backgroundColor: colours.text,
    borderWidth: 0,
    padding: [6, 9],
    textStyle: { color: colours.surface, fontFamily: colours.font, fontSize: 12, lineHeight: 18 },
    axisPointer: { type: 'line', lineStyle: { color: colours.muted, type: 'dashed' } },
  }
}

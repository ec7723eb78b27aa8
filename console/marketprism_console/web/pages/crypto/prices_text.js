import { names } from '../../core/texts.js';

/** Which price of a liquidation it is. */
export const priceOf = names({
  en: { average: 'average of the fills', bankruptcy: 'bankruptcy price', trade: 'trade' },
  zh: { average: '成交均价', bankruptcy: '破产价格', trade: '成交价' },
});

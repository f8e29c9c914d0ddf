'use client';

import { useEffect } from 'react';
import { live } from '../live.js';
import { saved } from '../saved.js';

export default function Page() {
  useEffect(() => {
    saved();
    void live();
  }, []);
  return <h1>sae-attribution</h1>;
}

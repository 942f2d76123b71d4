<?php
// The same work as ours, as far as FPDF goes: an embedded TrueType font (FPDF knows cp1252, not Unicode), values wrapped
// in their columns as fpdf.org's « Table with MultiCells » wraps them, 9 points, a row never split.
// Reads lines of tab-separated values on standard input; writes the PDF file named by the first argument, with the font
// that makefont.php has put into the folder named by the second.
define('FPDF_FONTPATH', $argv[2] . '/');
require 'fpdf/fpdf.php';
ini_set('memory_limit', '-1');

const TITRES = ["N° d'ordre", 'Nom de naissance', "Nom d'usage", 'Prénoms', 'Naissance', 'Adresse', 'Bureau', 'Motif'];
const WIDTHS = [33, 110, 86, 98, 128, 154, 60, 71];
const GAP = 6;
const LEADING = 11;
const PAD = 4.6;

function cp1252(string $text): string
{
    return iconv('UTF-8', 'CP1252//TRANSLIT', $text);
}

class Tableau extends FPDF
{
    public function Header(): void
    {
        $this->SetFont('DejaVu', '', 13);
        $this->Cell(0, 17, 'Tableau des vingt jours', 0, 1);
        $this->SetFont('DejaVu', '', 9);
        $this->Cell(0, 11, cp1252('LIBREVILLE (13900) - Liste principale - page ' . $this->PageNo() . ' / {nb}'), 0, 1);
        foreach (TITRES as $index => $titre) {
            $this->Cell(WIDTHS[$index] + GAP, 14, cp1252($titre), 'B');
        }
        $this->Ln();
    }

    public function Row(array $values): void
    {
        $lines = array_map([$this, 'Lines'], array_keys($values), $values);
        $height = max(array_map('count', $lines)) * LEADING + PAD;
        if ($this->GetY() + $height > $this->PageBreakTrigger) {
            $this->AddPage();
        }
        $x = $this->lMargin;
        $y = $this->GetY();
        foreach ($lines as $index => $texts) {
            foreach ($texts as $number => $text) {
                $this->SetXY($x, $y + PAD / 2 + $number * LEADING);
                $this->Cell(WIDTHS[$index], LEADING, $text, 0, 0, $index ? 'L' : 'R');
            }
            $x += WIDTHS[$index] + GAP;
        }
        $this->Line($this->lMargin, $y + $height, $x - GAP, $y + $height);
        $this->SetXY($this->lMargin, $y + $height);
    }

    private function Lines(int $index, string $text): array
    {
        $limit = WIDTHS[$index] * 1000 / $this->FontSize;
        $widths = $this->CurrentFont['cw'];
        $lines = [];
        $length = strlen($text);
        [$start, $space, $width] = [0, -1, 0];
        for ($i = 0; $i < $length; $i++) {
            if ($text[$i] === ' ') {
                $space = $i;
            }
            $width += $widths[$text[$i]];
            if ($width > $limit) {
                $end = $space > $start ? $space : max($i, $start + 1);
                $lines[] = substr($text, $start, $end - $start);
                $i = $space > $start ? $space : $end - 1;
                [$start, $space, $width] = [$i + 1, -1, 0];
            }
        }
        $lines[] = substr($text, $start);
        return $lines;
    }
}

$pdf = new Tableau('L', 'pt', 'A4');
$pdf->AliasNbPages();
$pdf->AddFont('DejaVu', '', 'DejaVuSansCondensed.php');
$pdf->SetMargins(30, 30);
$pdf->SetAutoPageBreak(true, 31);
$pdf->AddPage();
while (($line = fgets(STDIN)) !== false) {
    $pdf->Row(array_map('cp1252', explode("\t", rtrim($line, "\n"))));
}
$pdf->Output('F', $argv[1]);

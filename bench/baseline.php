<?php
// What openElec does today: FPDF and a core font, one Cell per value, nothing wrapped, letters outside cp1252 lost.
// Reads lines of tab-separated values on standard input; writes the PDF file named by the first argument.
require 'fpdf/fpdf.php';
ini_set('memory_limit', '-1');

const TITRES = ["N° d'ordre", 'Nom de naissance', "Nom d'usage", 'Prénoms', 'Naissance', 'Adresse', 'Bureau', 'Motif'];
const WIDTHS = [12, 39, 31, 35, 44, 56, 19, 36];

function cp1252(string $text): string
{
    return iconv('UTF-8', 'CP1252//TRANSLIT', $text);
}

class Tableau extends FPDF
{
    public function Header(): void
    {
        $this->SetFont('Helvetica', 'B', 13);
        $this->Cell(0, 6, 'Tableau des vingt jours', 0, 1);
        $this->SetFont('Helvetica', '', 7);
        $this->Cell(0, 4, cp1252('LIBREVILLE (13900) - Liste principale - page ' . $this->PageNo() . ' / {nb}'), 0, 1);
        foreach (TITRES as $index => $titre) {
            $this->Cell(WIDTHS[$index], 5, cp1252($titre), 'B');
        }
        $this->Ln();
    }
}

$pdf = new Tableau('L', 'mm', 'A4');
$pdf->AliasNbPages();
$pdf->SetMargins(12, 12);
$pdf->SetAutoPageBreak(true, 12);
$pdf->AddPage();
while (($line = fgets(STDIN)) !== false) {
    foreach (explode("\t", rtrim($line, "\n")) as $index => $value) {
        $pdf->Cell(WIDTHS[$index], 4.7, cp1252($value), 'B');
    }
    $pdf->Ln();
}
$pdf->Output('F', $argv[1]);
